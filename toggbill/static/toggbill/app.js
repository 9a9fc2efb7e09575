// Small comforts; every page works without them.
(function () {
  "use strict";
  document.querySelectorAll(".deciding-all").forEach(function (label) {
    label.hidden = false;
  });
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
  // A second click must not ask twice. The button is disabled after the form has left with its values.
  document.addEventListener("submit", function (event) {
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
  // What a form would do stands beside it, and is asked for anew while it is filled in.
  document.querySelectorAll("form[data-ahead]").forEach(function (form) {
    var shown = document.getElementById(form.dataset.ahead);
    var asked = 0;
    var waiting = 0;
    function look() {
      var values = new FormData(form);
      var mine = ++asked;
      values.set("look", "1");
      window
        .fetch(window.location.href, { method: "POST", body: values, headers: { "X-Part": "ahead" } })
        .then(function (answer) {
          return answer.ok && !answer.redirected ? answer.text() : null;
        })
        .then(function (text) {
          if (text !== null && mine === asked) {
            shown.innerHTML = text;
          }
        })
        .catch(function () {});
    }
    form.addEventListener("input", function () {
      window.clearTimeout(waiting);
      waiting = window.setTimeout(look, 400);
    });
  });
  // While a worker is at it, the page looks again by itself.
  var moving = document.querySelector("[data-refresh]");
  if (moving) {
    window.setTimeout(function () {
      window.location.replace(window.location.href);
    }, Number(moving.dataset.refresh) * 1000);
  }
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
