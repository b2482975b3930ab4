"""A small DICOMweb archive over a folder of DICOM files, in a process of its own.

    python -m samlabel.dicom_store FOLDER --port 8042

`index` knows which instances the folder holds, `query` answers searches over it, `frames` reads pixels, `multipart`
and `arrivals` are the wire and the upload, `service` is the web application, `process` starts and supervises it.
"""
