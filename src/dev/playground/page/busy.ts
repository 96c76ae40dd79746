/** Runs the action of a button, once at a time. The button stays focusable while the action runs. */
export function onPress(button: HTMLButtonElement, action: () => Promise<void> | void): void {
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      await action();
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
