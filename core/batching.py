"""How an update is cut into micro-batches over processes: what divides, and what would. Numbers in, sentences out.

An update sees the same responses or examples whatever the number of processes: each of them computes its share.
"""


def responses_problem(group: int, prompts: int, batch: int, processes: int) -> str:
    """Why `prompts` x `group` responses an update cannot be cut into micro-batches of `batch` on each process; '' when they can.

    The sentence names a batch that works, or a number of prompts where no batch does.
    """
    whole = group * prompts
    if whole % (batch * processes) == 0:
        return ""
    says = f"{prompts} prompts x {group} responses are {whole} responses an update, which micro-batches of {batch}"
    if processes == 1:
        return f"{says} do not divide. Choose a divisor of {whole} as batch, such as {_below(whole, batch)}."
    says = f"{says} on each of {processes} processes do not divide."
    if whole % processes:
        more = next(count for count in range(prompts, prompts + processes + 1) if group * count % processes == 0)
        each = group * more // processes
        return f"{says} Take {more} prompts and a batch of {_below(each, batch)}, or another number of processes."
    each = whole // processes
    return f"{says} Each of them has {each}: choose a divisor of {each} as batch, such as {_below(each, batch)}."


def accumulation_problem(accumulate: int, processes: int) -> str:
    """Why `accumulate` batches an update cannot be shared out among the processes, with a number that works; '' when they can."""
    if accumulate % processes == 0:
        return ""
    nearest = max(processes, round(accumulate / processes) * processes)
    return (
        f"{accumulate} batches an update cannot be shared out among {processes} processes. "
        f"Take {nearest} batches an update, or a number of processes that divides {accumulate}."
    )


def _below(whole: int, most: int) -> int:
    """The largest divisor of `whole` that is not above `most`."""
    return next(size for size in range(min(most, whole), 0, -1) if whole % size == 0)
