/** Runs `action` at each click of the button. While the action runs, clicks have no effect, but the button stays focusable. */
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
