// Copies a text. Without scripts the buttons stay hidden, and the text can be selected by hand.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  const said = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.value);
      said.textContent = `Copied: ${button.dataset.what}`;
    } catch {
      source.focus();
      source.select();
      said.textContent = "Selected: press Ctrl+C to copy";
    }
  });
}
