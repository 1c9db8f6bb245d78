/** The dashboard as it is built, which the server has beside this page. */
export const mount: import("../../../explanation_client/dashboard/js/src/host").Mount;
