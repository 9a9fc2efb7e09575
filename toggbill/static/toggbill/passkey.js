// A passkey that was not used (cancelled, unknown, no device) is said on the page.
(function () {
  "use strict";
  document.addEventListener("allauth.error", function (event) {
    event.preventDefault();
    var words = document.getElementById("passkey_problem");
    if (words) {
      words.hidden = false;
    }
  });
})();
