// Draws what the tables below each chart say. Without this script the tables stand alone.
(function () {
  "use strict";
  var source = document.getElementById("chart-data");
  if (!source || !window.Chart) {
    return;
  }
  var data = JSON.parse(source.textContent);
  var language = document.documentElement.lang;
  var drawn = [];
  function colour(name) {
    return window.getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }
  // The colour of a state is that of its mark in the table.
  function of(state) {
    var mark = document.querySelector(".dot-" + state);
    return mark ? window.getComputedStyle(mark).backgroundColor : colour("--tb-open");
  }
  function options(unit) {
    var numbers = new Intl.NumberFormat(language, { maximumFractionDigits: unit === "h" ? 1 : 0 });
    var exact = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    return {
      animation: false,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false },
      plugins: {
        legend: { display: false },
        tooltip: {
          callbacks: {
            label: function (item) {
              return item.raw ? item.dataset.label + ": " + exact.format(item.raw) + "\u00a0" + unit : null;
            },
          },
          filter: function (item) {
            return item.raw !== 0;
          },
        },
      },
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: colour("--tb-soft-ink") } },
        y: {
          stacked: true,
          border: { display: false },
          grid: { color: colour("--tb-hair") },
          ticks: {
            color: colour("--tb-soft-ink"),
            maxTicksLimit: 6,
            callback: function (value) {
              return numbers.format(value) + "\u00a0" + unit;
            },
          },
        },
      },
    };
  }
  function draw() {
    drawn.forEach(function (chart) {
      chart.destroy();
    });
    drawn = Array.from(document.querySelectorAll("[data-chart]")).map(function (canvas) {
      canvas.parentElement.hidden = false;
      var name = canvas.dataset.chart;
      return new window.Chart(canvas, {
        type: "bar",
        data: {
          labels: name === "open" ? data.ages : data.months,
          datasets: data[name].map(function (each) {
            return { label: each.name, data: each.values, backgroundColor: of(each.state), maxBarThickness: 48 };
          }),
        },
        options: options(canvas.dataset.unit),
      });
    });
  }
  draw();
  // After theme.js, which listens to the same change, has set the other theme.
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    window.setTimeout(draw, 0);
  });
})();
