"""What can go wrong through no fault of ours, each told in one plain line."""


class PhotorealError(Exception):
    """A condition that a user can cause; its text says what happened, with numbers, and what to do."""


class CaptureError(PhotorealError):
    """The photographs, video or dataset that were handed in cannot be used."""


class AlignmentError(PhotorealError):
    """No cameras, or too few, could be found for the photographs."""


class FormatError(PhotorealError):
    """A file does not hold what its format promises."""


class SceneError(PhotorealError):
    """A scene folder cannot be written, continued or understood."""


class MissingDependencyError(PhotorealError):
    """An optional package is needed; the text names the extra to install."""


class MissingWeightsError(PhotorealError):
    """A network's weights are not on this machine; the text names the file and the command that gets it."""
