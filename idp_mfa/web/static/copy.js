// Reveals the copy buttons, which need a script; without one the text can be selected by hand.
for (const button of document.querySelectorAll("button[data-copy]")) {
  if (!navigator.clipboard) break;
  const source = document.getElementById(button.dataset.copy);
  const answer = button.parentElement.querySelector("output");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent.replace(/\s/g, ""));
      answer.textContent = answer.dataset.done;
    } catch {
      getSelection().selectAllChildren(source);
    }
  });
}
