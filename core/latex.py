"""Tables as LaTeX with booktabs. Escapes every text; knows nothing of what the numbers mean."""

from collections.abc import Sequence

_MARKS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "−": "$-$",
}  # fmt: skip


def escape(text: str) -> str:
    """The text without anything that LaTeX would act on; line breaks become spaces."""
    return "".join(_MARKS.get(char, char) for char in " ".join(text.split()))


def table(caption: str, label: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A floating table: the first column to the left, the others to the right. Needs `\\usepackage{booktabs}`.

    Every row starts with `{}`: a cell that began with `[` or `*` would otherwise be taken for an argument of the `\\\\` before.
    """
    lines = ["{}" + " & ".join(map(escape, cells)) + r" \\" for cells in (head, *rows)]
    body = ["\\toprule", lines[0], "\\midrule", *lines[1:], "\\bottomrule"]
    columns = "l" + "r" * (len(head) - 1)
    return "\n".join(
        [
            "\\begin{table}[t]",
            "\\centering",
            f"\\caption{{{escape(caption)}}}",
            f"\\label{{{label}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            *body,
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )
