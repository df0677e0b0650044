#compdef vt vtr
# Completion of vt and vtr for zsh 5 and newer, either of:
#
#   eval "$(vt completion zsh)"                     in ~/.zshrc, after compinit
#   vt completion zsh > DIRECTORY_OF_FPATH/_vt
#
# Asks the daemon, which starts nothing for it. SPDX-License-Identifier: Apache-2.0

_vt() {
  local kind value description
  local -a values shown open open_shown
  local -i files=0 nospace=0
  while IFS=$'\t' read -r kind value description; do
    case $kind in
      word)
        values+=("$value")
        shown+=("$value${description:+  -- $description}")
        ;;
      files) files=1 ;;
      nospace) nospace=1 ;;
    esac
  done < <(command "${words[1]}" __complete "${(@)words[1,CURRENT]}" 2>/dev/null)
  if (( $#values )); then
    local -a space=()
    (( nospace )) && space=(-S '')
    compadd -l "${space[@]}" -d shown -a values
  fi
  (( files )) && _files
  (( $#values || files ))
}
if [[ $funcstack[1] == _vt ]]; then
  _vt "$@"
else
  compdef _vt vt vtr
fi
