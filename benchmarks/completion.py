"""What one press of TAB costs: the completion function of each shell, inside that shell.

Against: nothing is compared; the promise is absolute, 5 ms for each TAB. Measured are the slow
cases: the longest option list, all model ids, and tenants out of a names file at its size limit
(16 KiB). The shell's own work around the function (redrawing, listing) is not part of it.

    python benchmarks/completion.py      exit 1 when a promise is missed
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COMPLETIONS = Path(__file__).resolve().parents[1] / "completions"
LIMIT_MS = 5.0
ROUNDS = 200
NAMES_BYTES = 16 * 1024
LINES = ("wai run --", "wai run --model ", "wai run --tenant tenant-0")

BASH = """
source "$1"; shift
compopt() { :; }
for line in "$@"; do
    COMP_LINE=$line; COMP_POINT=${#line}
    read -ra COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    for ((n = 0; n < ROUNDS; n++)); do
        start=${EPOCHREALTIME/./}; _wai; end=${EPOCHREALTIME/./}
        printf '%s\\t%s\\n' "$line" "$((end - start))"
    done
done
"""

# The function only runs inside a completion, so an interactive zsh completes each line once and
# calls it many times over.
ZSH = """
zmodload zsh/zpty zsh/datetime
zpty shell zsh -f -i
zpty -w shell "zmodload zsh/datetime; autoload -Uz compinit; compinit -u -D; source '$1'"
zpty -w shell 'timed() {
    local -i n; local start line="$words"
    for ((n = 0; n < ROUNDS; n++)); do
        start=$EPOCHREALTIME; _wai
        printf "%s\\t%.0f\\n" "$line" $(( (EPOCHREALTIME - start) * 1000000 )) >>$OUTPUT
    done
    printf "done\\n" >>$OUTPUT
}; compdef timed wai; print STAR""TED'
zpty -r shell answer '*STARTED*'
shift
for line in "$@"; do
    zpty -w -n shell "$line"$'\\t\\x15'
done
zpty -w shell 'print FINI""SHED'
zpty -r shell answer '*FINISHED*'
"""

FISH = """
source $argv[1]
for line in $argv[2..-1]
    for n in (seq $ROUNDS)
        set -l start (date +%s%N)
        complete -C $line >/dev/null
        set -l end (date +%s%N)
        printf '%s\\t%s\\n' $line (math "($end - $start) / 1000")
    end
end
"""


def main() -> int:
    """Measure every shell that is installed; return the exit code."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        write_names(project)
        for shell in ("bash", "zsh", "fish"):
            if shutil.which(shell) is None:
                print(f"{shell:5} not installed: not measured")
                continue
            for line, times_ms in measure(shell, project).items():
                best, median = min(times_ms), statistics.median(times_ms)
                verdict = "PASS" if median <= LIMIT_MS else "FAIL"
                missed += verdict == "FAIL"
                print(
                    f"{shell:5} {line:28} best {best:5.2f} ms  median {median:5.2f} ms  {verdict}"
                )
    print("powershell: not measured, there is none here")
    return 1 if missed else 0


def write_names(project: Path) -> None:
    """Make the folder a project whose names file is as large as `wai` lets it become."""
    (project / "wai.yaml").touch()
    (project / ".wai").mkdir()
    lines = (f"{kind}\t{kind}-{n:05}\n" for n in range(10_000) for kind in ("tenant", "workflow"))
    text = ""
    for line in lines:
        if len(text) + len(line) > NAMES_BYTES:
            break
        text += line
    (project / ".wai" / "names").write_text(text)


def measure(shell: str, project: Path) -> dict[str, list[float]]:
    """Run one shell; map each line to what its TABs cost, in milliseconds."""
    script = COMPLETIONS / {"bash": "wai.bash", "zsh": "_wai", "fish": "wai.fish"}[shell]
    output = project / "output"
    program = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell]
    argv = {
        "bash": ["bash", "-c", program, "bash"],
        "zsh": ["zsh", "-f", "-c", program, "zsh"],
        "fish": ["fish", "--no-config", "-c", program],
    }[shell]
    result = subprocess.run(
        [*argv, str(script), *LINES],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(project),
            "TERM": "dumb",
            "ROUNDS": str(ROUNDS),
            "OUTPUT": str(output),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    text = output.read_text() if shell == "zsh" else result.stdout
    times: dict[str, list[float]] = {}
    for row in text.splitlines():
        line, tab, microseconds = row.partition("\t")
        if tab:
            times.setdefault(line, []).append(float(microseconds) / 1000)
    return times


if __name__ == "__main__":
    sys.exit(main())
