// The API reference: Swagger UI with this collector's own description.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();

  const show = (spec) =>
    SwaggerUIBundle({
      spec: { ...spec, servers: [{ url: location.origin }] }, // requests go to where this page is, which the policy allows
      domNode: document.getElementById("reference"),
      deepLinking: true,
      defaultModelExpandDepth: 4,
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      validatorUrl: null,
      onComplete: () => document.documentElement.classList.add("ready"),
    });

  fetch("/api/openapi.json")
    .then((reply) => (reply.ok ? reply.json() : Promise.reject(new Error(`openapi.json: ${reply.status}`))))
    .then(show)
    .catch((error) => {
      document.getElementById("reference").textContent = `The reference could not be loaded (${error.message}). Reload the page.`;
    });
})();
