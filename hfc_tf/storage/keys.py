"""The version of the code that makes each kind of artefact."""

# A change of the code that changes an artefact's content is a new number here.
VERSIONS = {
  "adversarials": 4,
  "batch_size": 1,
  "classifier": 3,
  "decoded": 3,
  "density": 3,
  "detector": 3,
  "lesions": 2,
  "split": 1,
  "stress": 1,
  "taps": 3,
}
