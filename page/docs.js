// The bundle is not a module: it defines a global variable.
const { SwaggerUIBundle } = /** @type {{ SwaggerUIBundle: (options: Record<string, unknown>) => void }} */ (
  /** @type {unknown} */ (window)
);

SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", deepLinking: true, validatorUrl: null });

// Its style sheet has a dark scheme, which a class switches on.
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", applyScheme);
applyScheme();
