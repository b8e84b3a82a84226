"""The report: what an evaluation found, as data, text, Markdown, JSON and one page of HTML."""
