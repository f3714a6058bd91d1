"""Files: send them in the params of a call, upload them to a folder of the Drive, and download them.

A field of ``crm.item.add`` takes a file as ``{"ufCrmContract": file_value("contract.pdf")}``.
"""

from b24batch.files.contents import file_data, file_value
from b24batch.files.downloads import download_file
from b24batch.files.uploads import upload_file

__all__ = ["download_file", "file_data", "file_value", "upload_file"]
