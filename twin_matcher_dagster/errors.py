"""Everything that can go wrong in a way a person can act on.

Every message is one or two plain sentences that end with what to do; pages and the command line
show it as it is, and Dagster shows it in the run.
"""

from __future__ import annotations


class TwinMatcherError(Exception):
    """Base of all errors that are shown to people as they are."""


class SourceError(TwinMatcherError):
    """A source of celebrity faces is missing, empty or does not have the expected columns."""


class ReviewError(TwinMatcherError):
    """A file of decisions about celebrity faces cannot be used."""


class MediaError(TwinMatcherError):
    """A clip or photo cannot be read, or is outside the limits."""


class FaceError(TwinMatcherError):
    """A clip or photo is readable but does not show exactly one usable face."""


class NoFaceError(FaceError):
    """A photo shows no face at all."""


class RecogniserError(TwinMatcherError):
    """The reference recogniser is missing or is no model of its kind."""


class UploadError(TwinMatcherError):
    """An upload is incomplete, altered, or lacks consent."""


class StoredAlreadyError(UploadError):
    """An earlier try of this upload was committed, and says something else."""


class DecidedAlreadyError(UploadError):
    """Somebody else decided of an upload since it was looked at."""


class ErasureError(TwinMatcherError):
    """An upload is not erased: there is none, or it was erased while something was made of it."""


class CodeError(TwinMatcherError):
    """A code is not that of the upload, or too many wrong ones were tried."""


class StorageError(TwinMatcherError):
    """The object store does not answer, or refuses."""


class StoreAwayError(StorageError):
    """The object store does not answer at the moment: a run waits for it."""


class StoreFullError(StoreAwayError):
    """The object store takes no more: its disk is full, or its quota is used up."""


class MaybeStoredError(StorageError):
    """The object store went away during the commit of an upload: nobody knows whether it was."""


class ObjectMissingError(StorageError):
    """There is no object under this key."""


class ObjectExistsError(StorageError):
    """There is an object under this key already, and objects are never overwritten."""


class ObjectChangedError(StorageError):
    """An object is not what it was when it was read, so it is not replaced or deleted."""


class LeaseLostError(StorageError):
    """Another process took over what this one was doing."""


class RecordError(StorageError):
    """A manifest in the bucket is not what this version can read."""


class BackupError(TwinMatcherError):
    """A backup cannot be made, is damaged, or must not be restored here."""


class DiskFullError(TwinMatcherError):
    """There is no room on a disk of ours."""


class NoReleaseError(TwinMatcherError):
    """No production release has been made yet."""


class TrainingError(TwinMatcherError):
    """The data set cannot be trained on."""


class HubError(TwinMatcherError):
    """The Hugging Face Hub does not answer, or refuses."""


class HubRefusedError(HubError):
    """A token, a permission or a name is wrong; trying again does not mend it."""


class TrackingError(TwinMatcherError):
    """MLflow is not there, does not answer, or refuses."""


class ExportError(TwinMatcherError):
    """A model cannot be written to a folder."""


class ReceiverError(TwinMatcherError):
    """Whoever is to be told what matters cannot be reached, or refuses."""


class ServicesError(TwinMatcherError):
    """The local services cannot be started, or did not do what was asked of them."""


class RunsAlreadyError(ServicesError):
    """Another process of this installation runs."""
