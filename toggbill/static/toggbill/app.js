// Small comforts; every page works without them.
(function () {
  "use strict";
  function show(event) {
    (event ? event.target : document).querySelectorAll(".deciding-all").forEach(function (label) {
      label.hidden = false;
    });
  }
  show();
  document.addEventListener("htmx:load", show);
  document.addEventListener("change", function (event) {
    var field = event.target;
    // One box for all: those of the same form and name.
    if (field.matches("[data-all]")) {
      Array.from(field.form.elements).forEach(function (box) {
        if (box.type === "checkbox" && box.name === field.dataset.all) {
          box.checked = field.checked;
        }
      });
    }
    if (field.matches("[data-submit]")) {
      field.form.requestSubmit();
    }
  });
  // A second click must not ask twice. The button is disabled after the form has left with its values; htmx disables
  // those of the forms that it sends.
  document.addEventListener("submit", function (event) {
    if (event.defaultPrevented) {
      return;
    }
    window.setTimeout(function () {
      event.target.querySelectorAll("button[type=submit]").forEach(function (button) {
        button.disabled = true;
      });
    }, 0);
  });
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) {
      document.querySelectorAll("button[type=submit]:disabled").forEach(function (button) {
        button.disabled = false;
      });
    }
  });
  // An open menu closes when the person goes elsewhere.
  function closeMenus(except) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (menu !== except) {
        menu.open = false;
      }
    });
  }
  document.addEventListener("click", function (event) {
    closeMenus(event.target.closest("details.menu"));
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape") {
      closeMenus(null);
    }
  });
})();
