import os


def named(get_response):
    """Tell which process answers."""

    def middleware(request):
        response = get_response(request)
        response["X-Process"] = str(os.getpid())
        return response

    return middleware
