"""The command that fetches public data sets."""

from __future__ import annotations

from absl import flags

from hfc_tf.commands import program
from hfc_tf.data import download

flags.disclaim_key_flags()  # so that --help of a command shows them as its own


def download_data() -> None:
  """Fetches a public data set: download_data --dataset=chest --out=data."""
  dataset = flags.DEFINE_enum("dataset", "chest", list(download.DOWNLOADS), "What to fetch.")
  out = flags.DEFINE_string("out", "data", "Folder that receives a sub-folder per data set.")
  size = flags.DEFINE_enum(
    "size", "224", [str(size) for size in download.SIZES], "MedMNIST only: side in pixels."
  )

  def main() -> None:
    data_dir = download.download(dataset.value, out.value, int(size.value))
    name = "npz" if data_dir.suffix == ".npz" else dataset.value
    program.say(f"--dataset={name} --data_dir={data_dir}")

  program.run(main, download_data.__doc__)
