// Files dropped on the page.

/** `node` shows while a file is above the page; `take(file)` gets the first file that is dropped. */
export function receiveDrops(node, take) {
  const files = (event) => [...(event.dataTransfer?.items || [])].some((item) => item.kind === "file");
  document.addEventListener("dragover", (event) => {
    if (!files(event)) return;
    event.preventDefault();
    node.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => !event.relatedTarget && node.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    node.classList.remove("dropping");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
