// Shows the OpenAPI document. A key that is typed in stays in this page's memory.
(() => {
  "use strict";
  const place = document.getElementById("api-docs");
  window.SwaggerUIBundle({
    domNode: place,
    url: place.dataset.document,
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    persistAuthorization: false,
    syntaxHighlight: false,
  });
})();
