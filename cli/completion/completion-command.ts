import { declareCommand } from '../shared/command.ts';
import { suggestion } from '../../lib/text/suggestion.ts';

/** The scripts that ask `ws-stress __complete` for what can follow, by shell. */
const scripts = {
  bash: `_ws_stress() {
  local line current="\${COMP_WORDS[COMP_CWORD]}" IFS=$'\\n'
  COMPREPLY=()
  for line in $("\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    case $line in
      :file) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -f -- "$current")) ;;
      :folder) compopt -o filenames 2>/dev/null; COMPREPLY+=($(compgen -d -- "$current")) ;;
      *:) compopt -o nospace 2>/dev/null; COMPREPLY+=("$line") ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done
}
complete -F _ws_stress ws-stress
`,
  zsh: `#compdef ws-stress
_ws_stress() {
  local line
  local -a found
  for line in "\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :file) _files ;;
      :folder) _files -/ ;;
      ?*) found+=("$line") ;;
    esac
  done
  (( \${#found} )) && compadd -- "\${found[@]}"
}
compdef _ws_stress ws-stress
`,
  fish: `function __ws_stress_complete
  set -l before (commandline -opc)
  set -l current (commandline -ct)
  for line in (command $before[1] __complete $before[2..-1] "$current" 2>/dev/null)
    switch $line
      case ':file'
        __fish_complete_path "$current"
      case ':folder'
        __fish_complete_directories "$current"
      case '*'
        echo $line
    end
  end
end
complete -c ws-stress -f -a '(__ws_stress_complete)'
`,
} as const;

const shells = Object.keys(scripts);

const scriptOf = (shell: string): string | undefined =>
  Object.hasOwn(scripts, shell) ? scripts[shell as keyof typeof scripts] : undefined;

export const completionCommand = declareCommand({
  description:
    'Prints a script by which a shell completes commands, options, their values and scenario names. It asks ws-stress itself, so scenarios of your own project are among them.',
  arguments: [{ name: 'shell', required: true, choices: () => shells }],
  options: {},
  notDone: 'No script was printed',
  examples: [
    'source <(ws-stress completion bash)',
    'source <(ws-stress completion zsh)',
    'ws-stress completion fish | source',
  ],
  act: async ({ positionals: [shell = ''], problems: typed, refuse }) => {
    const script = scriptOf(shell);
    const problems = [
      ...(script === undefined
        ? [`expected a shell (${shells.join(', ')}), received ${shell || 'none'}${suggestion(shell, shells)}`]
        : []),
      ...typed,
    ];
    if (problems.length > 0 || script === undefined) return refuse(problems);
    process.stdout.write(script);
    return 0;
  },
});
