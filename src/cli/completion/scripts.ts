import type { SHELLS } from "../specs/completion.ts";

/**
 * The completion scripts. Each script calls `sallyport completion candidates` to complete the word at the cursor.
 *
 * That command prints one word a line. A tab and a description may follow the word. The line `:file` tells the shell to
 * complete file names.
 */
export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# bash completion of sallyport: source <(sallyport completion bash)
_sallyport() {
  local line word current prefix="" files=0
  local -a words
  # Bash splits words at "=" and ":". The line up to the cursor, split at blanks, has the words as the program gets them.
  read -ra words <<<"\${COMP_LINE:0:COMP_POINT}"
  [[ \${COMP_LINE:0:COMP_POINT} == *[[:blank:]] ]] && words+=("")
  current=\${words[\${#words[@]}-1]}
  # Only the part after the last "=" or ":" is replaced.
  [[ $current == *[=:]* ]] && prefix=\${current%"\${current##*[=:]}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r word line; do
    if [[ $word == :file ]]; then files=1; else COMPREPLY+=("\${word#"$prefix"}"); fi
  done < <("\${words[0]}" completion candidates -- "\${words[@]:1}" 2>/dev/null)
  if ((files)); then
    local at=""
    current=\${current#"$prefix"}
    [[ $current == @* ]] && at=@
    while IFS= read -r word; do COMPREPLY+=("$at$word"); done < <(compgen -f -- "\${current#"$at"}")
    compopt -o filenames 2>/dev/null
  fi
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _sallyport sallyport
`,
  zsh: `#compdef sallyport
# zsh completion of sallyport: source <(sallyport completion zsh), after compinit
_sallyport() {
  local line word about files=0
  local -a described open
  while IFS=$'\\t' read -r word about; do
    if [[ $word == :file ]]; then
      files=1
    elif [[ $word == *= ]]; then
      open+=("\${word}")
    else
      described+=("\${word//:/\\\\:}:\${about}")
    fi
  done < <("\${words[1]}" completion candidates -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if ((files)); then
    [[ $PREFIX == @* ]] && compset -P @
    [[ $PREFIX == --*=* ]] && compset -P '*='
    _files
  fi
  ((\${#open})) && compadd -S '' -- $open
  ((\${#described})) && _describe -V sallyport described
}
if [[ $funcstack[1] == _sallyport ]]; then _sallyport "$@"; else compdef _sallyport sallyport; fi
`,
  fish: `# fish completion of sallyport: sallyport completion fish > ~/.config/fish/completions/sallyport.fish
function __sallyport_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found ($words[1] completion candidates -- $words[2..-1] "$current" 2>/dev/null)
    for line in $found
        if test "$line" = :file
            if string match -q -- '@*' "$current"
                __fish_complete_path (string sub -s 2 -- "$current") | string replace -r '^' '@'
            else
                __fish_complete_path "$current"
            end
        else
            echo -- $line
        end
    end
end
complete -c sallyport -f -a '(__sallyport_candidates)'
`,
};
