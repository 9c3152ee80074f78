"""Bulk solvent: masks of the part of the cell that no atom fills."""
