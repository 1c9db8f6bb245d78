/** The module that hosts load: one function, `mount`. */

import { h, render } from "preact";
import type { Mount } from "./host";
import { Dashboard } from "./shell/dashboard";

export type { Answer, Host, Model, Mount, Options, Question, Source, Value } from "./host";

export const mount: Mount = (element, host, options = {}) => {
  const root = document.createElement("div");
  root.className = "xd-root";
  element.append(root);
  render(h(Dashboard, { root, host, options }), root);
  return () => {
    render(null, root);
    root.remove();
  };
};
