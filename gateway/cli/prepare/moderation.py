"""alt-profanity-check for Triton's pytorch backend: converts its scikit-learn pipeline into a tokenizer and TorchScript."""

import json
import sys
from pathlib import Path
from typing import Any

from command import progress, run
from sources import SourceMissing, package_file

# The parameters that `word_tokenizer.py` and `linear_svm.py` implement. A pipeline with others is refused.
VECTORIZER = {
    "analyzer": "word",
    "binary": False,
    "lowercase": True,
    "ngram_range": (1, 1),
    "norm": "l2",
    "preprocessor": None,
    "strip_accents": None,
    "sublinear_tf": False,
    "token_pattern": r"(?u)\b\w\w+\b",
    "tokenizer": None,
    "use_idf": True,
}
LABELS = {"labels": ["profanity"], "categories": {"profanity": "harassment"}, "threshold": 0.5}
UNKNOWN_WORD = "[UNK]"


def prepare(folder: Path) -> None:
    """Write `model.pt` (ids and mask in, a probability out), `tokenizer.json` and `labels.json` into `folder`."""
    import joblib

    progress("moderation: loading the fitted pipeline")
    vectorizer = joblib.load(package_file("profanity_check", "data", "vectorizer.joblib"))
    classifier = joblib.load(package_file("profanity_check", "data", "model.joblib"))
    _check_pipeline(vectorizer, classifier)
    _write_tokenizer(vectorizer, folder)
    _write_module(vectorizer, classifier, folder)
    (folder / "labels.json").write_text(json.dumps(LABELS) + "\n", encoding="utf-8")


def _check_pipeline(vectorizer: Any, classifier: Any) -> None:
    settings = vectorizer.get_params()
    folds = classifier.calibrated_classifiers_
    known = (
        {name: settings[name] for name in VECTORIZER} == VECTORIZER
        and classifier.method == "sigmoid"
        and all(type(fold.estimator).__name__ == "LinearSVC" and len(fold.calibrators) == 1 for fold in folds)
        and list(classifier.classes_) == [0, 1]
        # scikit-learn does not count stop words; here they become unknown words, which have weight 0.
        and not set(vectorizer.get_stop_words() or ()) & set(vectorizer.vocabulary_)
    )
    if not known:
        raise SourceMissing("The pipeline in profanity_check was fitted otherwise: another version is installed.")


def _write_tokenizer(vectorizer: Any, folder: Path) -> None:
    from linear_svm import UNKNOWN
    from word_tokenizer import word_tokenizer

    progress("moderation: comparing two kinds of Unicode, and writing the tokenizer")
    words = {word: int(column) + 1 for word, column in vectorizer.vocabulary_.items()}
    word_tokenizer({UNKNOWN_WORD: UNKNOWN, **words}, UNKNOWN_WORD).save(str(folder / "tokenizer.json"))


def _write_module(vectorizer: Any, classifier: Any, folder: Path) -> None:
    import torch
    from linear_svm import CalibratedLinearSvm, Fitted

    def column(values: list[Any]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64)

    folds = classifier.calibrated_classifiers_
    fitted = Fitted(
        idf=column(vectorizer.idf_.tolist()),
        coefficients=column([fold.estimator.coef_[0].tolist() for fold in folds]).T.contiguous(),
        intercepts=column([float(fold.estimator.intercept_[0]) for fold in folds]),
        slopes=column([float(fold.calibrators[0].a_) for fold in folds]),
        offsets=column([float(fold.calibrators[0].b_) for fold in folds]),
    )
    progress("moderation: writing the module")
    torch.jit.save(torch.jit.script(CalibratedLinearSvm(fitted).eval()), str(folder / "model.pt"))


if __name__ == "__main__":
    sys.exit(run("Write alt-profanity-check as a TorchScript module with its tokenizer and labels.", prepare))
