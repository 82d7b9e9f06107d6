// A script of the old kind, which tells its name to the window.
const { SwaggerUIBundle } = /** @type {{ SwaggerUIBundle: (options: Record<string, unknown>) => void }} */ (
  /** @type {unknown} */ (window)
);

SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null });
