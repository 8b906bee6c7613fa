"""The options that `wai run` and `wai chat` share, spelled once."""

from pathlib import Path
from typing import Annotated

import typer

PromptOption = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        "-p",
        metavar="NAME[@VERSION]|FILE",
        help="A prompt: NAME, @3, @production, @sha256:..., @work; or a file.",
    ),
]
VarOption = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="A variable of the prompt; repeatable."),
]
AllowWorkOption = Annotated[
    bool, typer.Option("--allow-work", help="Use an unfrozen prompt although this is CI.")
]
SystemOption = Annotated[
    str | None, typer.Option("--system", "-s", help="The system text of the conversation.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="Model id; else defaults.model.")
]
WorkflowOption = Annotated[
    str | None, typer.Option("--workflow", "-w", help="The kind of job this belongs to.")
]
TenantOption = Annotated[str | None, typer.Option("--tenant", "-t", help="Who pays.")]
ConversationOption = Annotated[
    str | None,
    typer.Option(
        "--conversation", "-c", help="Continue, or begin, this conversation; else a new one."
    ),
]
MaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens", min=1, help="Upper limit of output tokens.")
]
TemperatureOption = Annotated[
    float | None, typer.Option("--temperature", min=0, max=5, help="Sampling temperature.")
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=1, max=9999999999, help="Sampling seed.")
]
ToolOption = Annotated[
    list[str] | None,
    typer.Option("--tool", metavar="NAME", help="A declared tool, or crm.*; repeatable."),
]
ToolsDirOption = Annotated[
    Path | None,
    typer.Option("--tools-dir", metavar="DIR", help="Where tools are declared; all of them."),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint-every",
        metavar="N|off",
        help="Sum up the older turns every N turns; else checkpoints.every_turns.",
    ),
]
RiskOption = Annotated[
    str | None,
    typer.Option("--risk", metavar="low|medium|high", help="Risk tier; else the policy's."),
]
JustificationOption = Annotated[
    str | None,
    typer.Option("--justification", metavar="TEXT", help="Why; kept with the decision."),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="CLASS", help="A class of data that goes out; repeatable."),
]
BudgetWaitOption = Annotated[
    float,
    typer.Option(
        "--budget-wait", metavar="SECONDS", min=0, max=3600, help="Wait for others' money."
    ),
]
ReasoningOption = Annotated[
    bool, typer.Option("--reasoning", help="Show the model's reasoning on stderr.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No summary line on stderr.")]
