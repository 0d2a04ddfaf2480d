// Holds the device's clock against ours at the moment at which our answer began to arrive.
const shown = document.querySelector("[data-now]");
const answer = performance.getEntriesByType("navigation")[0];
if (shown && answer) {
  const arrived = performance.timeOrigin + answer.responseStart;
  const seconds = Math.round((arrived - Number(shown.dataset.now)) / 1000);
  const far = Math.abs(seconds);
  const kind = far < 20 ? "right" : seconds < 0 ? "behind" : "ahead";
  const found = document.querySelector(`[data-clock=${kind}]`);
  const amount = found.querySelector("[data-amount]");
  if (amount) {
    amount.textContent = amount.dataset.amount
      .replace("{m}", Math.floor(far / 60))
      .replace("{s}", far % 60);
  }
  found.hidden = false;
  document.querySelector("[data-clock=unknown]").hidden = true;
}
