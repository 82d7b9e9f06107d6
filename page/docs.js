// The bundle is not a module: it defines a global variable.
const { SwaggerUIBundle } = /** @type {{ SwaggerUIBundle: (options: Record<string, unknown>) => void }} */ (
  /** @type {unknown} */ (window)
);

SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null });
