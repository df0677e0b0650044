# Completion of vt and vtr for fish 3 and newer, either of:
#
#   vt completion fish | source                     in ~/.config/fish/config.fish
#   vt completion fish > ~/.config/fish/completions/vt.fish
#
# Asks the daemon, which starts nothing for it. SPDX-License-Identifier: Apache-2.0

function __vt_complete
    set -l words (commandline -opc) (commandline -ct)
    command $words[1] __complete $words 2>/dev/null | while read -l -d \t kind value description
        switch $kind
            case word
                printf '%s\t%s\n' $value $description
            case files
                __fish_complete_path (commandline -ct)
        end
    end
end
complete -c vt -f -a '(__vt_complete)'
complete -c vtr -f -a '(__vt_complete)'
