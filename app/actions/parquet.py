"""Our Parquet files: one row per record with flat columns for analysis and the whole record as JSON text.

pyarrow is imported when a Parquet file is really read or written, because it costs a third of a second at start-up
(one of the named late imports). It has no types, so its values are Any here.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from app.errors import Refused
from core.formats import native
from core.tree import best_path, by_key, stats
from core.types import Foreign, Record

MAGIC = b"PAR1"
_BATCH = 500
_READ = 8
_LARGEST_GROUP = 1 << 30


def is_parquet(source: BinaryIO) -> bool:
    """True when the stream starts like a Parquet file; the position is put back."""
    start = source.read(len(MAGIC))
    source.seek(0)
    return start == MAGIC


def pyarrow_modules() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet, imported now."""
    import pyarrow
    import pyarrow.parquet

    return pyarrow, pyarrow.parquet


def pyarrow_compute() -> Any:
    """pyarrow.compute, imported now."""
    import pyarrow.compute

    return pyarrow.compute


def column_names(source: BinaryIO) -> list[str]:
    """The columns of a Parquet file; none when it cannot be read. The position is put back."""
    pa, pq = pyarrow_modules()
    try:
        return pq.read_schema(source).names
    except (pa.ArrowException, OSError, ValueError):
        return []
    finally:
        source.seek(0)


def json_lines(source: BinaryIO) -> Iterator[bytes]:
    """The records of one of our Parquet files as JSON lines. Raises Refused when it is not one of ours."""
    pa, pq = pyarrow_modules()
    try:
        file = pq.ParquetFile(source)
        if "record" not in file.schema_arrow.names:
            raise Refused("This Parquet file has no column named record; only files that Subtext wrote can be read.")
        column = file.schema_arrow.names.index("record")
        groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
        if any(group.column(column).total_uncompressed_size > _LARGEST_GROUP for group in groups):
            raise Refused(
                f"A part of this Parquet file unpacks to more than {_LARGEST_GROUP >> 20} MiB; it was not read."
            )
        for batch in file.iter_batches(_READ, columns=["record"]):
            for text in batch.column(0).to_pylist():
                yield (text if isinstance(text, str) else "null").encode() + b"\n"
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Refused(f"The Parquet file cannot be read: {str(error).splitlines()[0][:160]}") from error


def write(records: Iterable[Record], target: BinaryIO) -> int:
    """Write records as a Parquet file into an open file; returns how many."""
    pa, pq = pyarrow_modules()
    text, number, whole = pa.string(), pa.float64(), pa.int32()
    columns: dict[str, Any] = {"kind": text, "preference": text, "query": text, "topic": text, "split": text}
    columns |= {"nodes": whole, "depth": whole, "pruned": whole, "unscored": whole}
    columns |= {"low": number, "high": number, "best": number, "record": text}
    schema = pa.schema(list(columns.items()))
    stream, count = iter(records), 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        while rows := [_row(record) for record in islice(stream, _BATCH)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def _row(record: Record) -> dict[str, Any]:
    scenario = record.scenario
    row: dict[str, Any] = {"kind": record.form if isinstance(record, Foreign) else "tree"}
    row["record"] = json.dumps(native.write(record), ensure_ascii=False)
    if scenario is not None:
        row |= {name: getattr(scenario, name) for name in ("preference", "query", "topic", "split")}
    if not isinstance(record, Foreign):
        best = best_path(by_key(record.nodes), record.paths)
        row |= stats(record.nodes)._asdict() | {"best": best and best.score.total}
    return row
