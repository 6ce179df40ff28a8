"""Sums over nodes, none of which sees it all: cut the work, compute the parts where they are, add up."""

from masquerade.compute.engine import Engine, LocalEngine
from masquerade.compute.noise import Noise, Noisy
from masquerade.compute.split import Part, RowGroups, row_groups, split_both, split_data, split_tasks
from masquerade.compute.sums import Hiding, Progress, Total, total

__all__ = [
    "Engine",  # where parts are computed
    "Hiding",  # how a hidden sum is hidden
    "LocalEngine",  # processes of this machine
    "Noise",  # how a sum gets noise, and who pays
    "Noisy",  # what noise a sum has, and what it cost
    "Part",  # what one node gets
    "Progress",  # how far a sum is
    "RowGroups",  # row groups of Parquet files, read where they are needed
    "Total",  # a sum, and whose
    "row_groups",  # those of files
    "split_both",  # data and tasks in equal parts
    "split_data",  # data in equal parts
    "split_tasks",  # tasks in equal parts
    "total",  # the sum of a function over parts
]
