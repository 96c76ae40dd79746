import type { ClientCommandSpec } from "../arguments/spec.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;

export const COMPLETION: ClientCommandSpec = {
  name: "completion",
  summary: "print the completion script of a shell",
  positionals: [{ name: "bash|zsh|fish", isRequired: true, completion: SHELLS }],
  about: `Prints a script that completes commands, options, profiles, settings, and the message types that a profile has called.

  bash  add to ~/.bashrc:   source <(sallyport completion bash)
  zsh   add to ~/.zshrc, after compinit:   source <(sallyport completion zsh)
  fish  run once:   sallyport completion fish > ~/.config/fish/completions/sallyport.fish`,
  options: [],
  examples: ["sallyport completion bash > /etc/bash_completion.d/sallyport", "sallyport completion zsh"],
};
