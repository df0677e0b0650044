# Completion of vt and vtr for bash 4 and newer:
#
#   eval "$(vt completion bash)"        in ~/.bashrc
#
# Asks the daemon, which starts nothing for it. SPDX-License-Identifier: Apache-2.0

_vt_complete() {
  local line=${COMP_LINE:0:COMP_POINT} words answer kind value rest cut
  # Not COMP_WORDS: those end at the `:` of "build:prod" and at the `=` of
  # "--log=".
  read -ra words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=('')
  COMPREPLY=()
  answer=$(command "${words[0]:-vt}" __complete "${words[@]}" 2>/dev/null) ||
    return 0
  # What readline takes for the word begins behind the last of its breaks.
  rest=${words[-1]}
  cut=${rest%"${rest##*[$COMP_WORDBREAKS]}"}
  while IFS=$'\t' read -r kind value rest; do
    case $kind in
      word) COMPREPLY+=("${value#"$cut"}") ;;
      files) compopt -o default ;;
      nospace) compopt -o nospace ;;
    esac
  done <<<"$answer"
}
complete -F _vt_complete vt vtr
