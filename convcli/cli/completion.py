"""`convcli completion`."""

from __future__ import annotations

import click

from convcli.cli.layout import Command, Group

BASH = r"""# bash completion of convcli
_convcli() {
    local line=${COMP_LINE:0:COMP_POINT} last=${COMP_WORDS[COMP_CWORD]} word value
    local -a words=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    # bash takes : and = for the ends of words, and wants what is behind the last of them.
    [[ $last == [:=]* ]] && last=${last##*[:=]}
    word=${words[-1]}
    local prefix=${word%"$last"}
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        if [[ $value == :files ]]; then
            compopt -o default
            return
        fi
        [[ $value == *[:=,] ]] && compopt -o nospace
        COMPREPLY+=("${value#"$prefix"}")
    done < <("${words[0]}" completion bash -- "${words[@]:1}" 2>/dev/null)
}
complete -F _convcli convcli
"""
ZSH = r"""#compdef convcli
_convcli() {
    local line value
    local -a values texts joined spelled
    for line in "${(@f)$("${words[1]}" completion zsh -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        if [[ $value == :files ]]; then
            _files
            return
        elif [[ $value == *[:=,] ]]; then
            joined+=("$value") spelled+=("$value  ${line#*$'\t'}")
        elif [[ -n $value ]]; then
            values+=("$value") texts+=("$value  ${line#*$'\t'}")
        fi
    done
    (( $#joined )) && compadd -S '' -l -d spelled -a joined
    (( $#values )) && compadd -l -d texts -a values
}
if [[ $funcstack[1] == _convcli ]]; then
    _convcli "$@"
else
    compdef _convcli convcli
fi
"""
FISH = r"""# fish completion of convcli
function __convcli_complete
    set -l words (commandline -opc)
    for line in (command $words[1] completion fish -- $words[2..-1] (commandline -ct) 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c convcli -f -a "(__convcli_complete)"
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(tuple(SCRIPTS)))
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- WORDS...]")
@click.pass_context
def command(ctx: click.Context, shell: str, words: tuple[str, ...]) -> None:
    """Print a script that completes commands, options, kernels and their fields in a shell.

    With WORDS of a command line it prints what the last of them may become, and what each is; the scripts ask so.

    \b
    convcli completion bash > ~/.local/share/bash-completion/completions/convcli
    convcli completion zsh > ~/.zfunc/_convcli      (and fpath+=~/.zfunc before compinit in ~/.zshrc)
    convcli completion fish > ~/.config/fish/completions/convcli.fish
    convcli completion bash -- apply photo.jpg -k gau
    """
    if not words:
        click.echo(SCRIPTS[shell], nl=False)
        return
    from convcli.cli.candidates import FILES, complete

    root = ctx.find_root().command
    assert isinstance(root, Group)
    for value, text in complete(root, words):
        click.echo(value if value == FILES or not text else f"{value}\t{text}")
