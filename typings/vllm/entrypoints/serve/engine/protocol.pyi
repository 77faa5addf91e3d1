class ErrorInfo:
    message: str
    param: str | None

class ErrorResponse:
    error: ErrorInfo
