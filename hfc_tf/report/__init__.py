"""Files of results: results.json, tables, figures and the one self-contained page."""

from hfc_tf.report.results import write as write
