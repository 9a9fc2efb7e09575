// Parts of a page that htmx asks for: what is shown of an answer, where the person is then, and who hears of it.
(function () {
  "use strict";
  // Where the decision stood that is being sent: `number` among those of the page, `top` in pixels of the window.
  var left = null;

  function decisions() {
    return Array.from(document.querySelectorAll(".decision"));
  }
  function wordsIn(elements) {
    return Array.from(elements, function (each) {
      return each.textContent.trim().replace(/\s+/g, " ");
    }).join(" ");
  }
  // Read out to whoever does not see that the page changed.
  function say(words) {
    var said = document.getElementById("said");
    if (words && said.textContent !== words) {
      said.textContent = words;
    }
  }
  function focus(element) {
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
  }

  // An answer that has not what was asked for is another page, or an error: it is shown whole, not in a part.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var swap = event.detail;
    var asker = swap.requestConfig.elt;
    var asking = asker.closest("[hx-select]");
    var answer = new DOMParser().parseFromString(swap.serverResponse, "text/html");
    var decision = asker.closest(".decision");
    left = null;
    if (asking === null) {
      // Beside what is typed stands the answer to it, or what stood there.
      swap.shouldSwap = swap.xhr.status < 400 && answer.getElementById("content") === null;
    } else if (swap.xhr.status >= 500 && asker.matches("[hx-trigger^='every']")) {
      swap.shouldSwap = false;
    } else if (answer.getElementById("page") !== null) {
      if (decision !== null) {
        left = { number: decisions().indexOf(decision), top: decision.getBoundingClientRect().top };
      }
      if (answer.querySelector(asking.getAttribute("hx-select")) === null) {
        asking.removeAttribute("hx-select-oob");
        swap.target = document.getElementById("page");
        swap.selectOverride = "#page";
        swap.swapOverride = "outerHTML";
      }
    } else if (swap.xhr.status < 400) {
      // To sign in, say: a page with scripts of its own.
      swap.shouldSwap = false;
      window.location.assign(swap.xhr.responseURL);
    } else {
      swap.target = document.body;
      swap.selectOverride = "unset";
      swap.swapOverride = "innerHTML";
    }
  });

  // The decision that took the place of the last one stands where that stood, under what came of it.
  function goOn() {
    var all = decisions();
    var next = all[Math.min(left.number, all.length - 1)];
    var messages = document.getElementById("messages");
    next.before(messages);
    window.scrollBy(0, messages.getBoundingClientRect().top - left.top);
    focus(next);
  }
  document.addEventListener("htmx:afterOnLoad", function (event) {
    var target = event.detail.target;
    var part = target.id && document.getElementById(target.id);
    if (target !== document.body && target.id !== "page") {
      if (part && part.matches("[hx-trigger^='every']")) {
        say(wordsIn(part.matches("[role=status]") ? [part] : part.querySelectorAll("[role=status]")));
      }
      return;
    }
    if (left !== null && decisions().length > 0) {
      goOn();
    } else if (left !== null || target === document.body) {
      window.scrollTo(0, 0);
      focus(document.getElementById("content"));
    }
    say(wordsIn(document.querySelectorAll("#messages .alert")) || wordsIn(document.querySelectorAll("h1")));
  });

  // No answer: whether it was done is not known here.
  document.addEventListener("htmx:sendError", function (event) {
    var decision = event.target.closest(".decision");
    if (decision !== null) {
      var messages = document.getElementById("messages");
      var alert = document.createElement("div");
      alert.className = "alert alert-danger";
      alert.setAttribute("role", "alert");
      alert.textContent = document.getElementById("said").dataset.unanswered;
      messages.replaceChildren(alert);
      decision.before(messages);
    }
  });
})();
