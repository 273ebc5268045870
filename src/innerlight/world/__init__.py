"""Procedural scenes whose truth is known: sample, draw, caption, alter, export. numpy only."""
