import { mount } from "./dashboard.js";
import { start } from "./page";

start(mount);
