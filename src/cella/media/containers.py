"""Which files FFmpeg and its libraries may take for films and sounds. Pure.

A playlist that is named like a film makes FFmpeg open other files, of the same machine or of
others. So it is told, each time, which protocols and which demuxers there are: none of those
that lead elsewhere (hls, dash, concat, image2, lavfi, tty, applehttp, mpjpeg, sdp …).
"""

PROTOCOLS = "file,pipe"

DEMUXERS = ",".join(
    (
        "mov,mp4,m4a,3gp,3g2,mj2",
        "matroska,webm",
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "mxf",
        "flv",
        "asf",
        "ogg",
        "dv",
        "ivf",
        "wav",
        "w64",
        "aiff",
        "caf",
        "au",
        "flac",
        "mp3",
        "aac",
        "ac3",
        "eac3",
        "amr",
    )
)
"""The demuxers, by the full names that FFmpeg has for them."""

OPTIONS: dict[str, str] = {"protocol_whitelist": PROTOCOLS, "format_whitelist": DEMUXERS}
"""The same as options of libavformat."""

MOV_OPTIONS: dict[str, str] = {"enable_drefs": "0", "use_absolute_path": "0"}
"""What else is said to the demuxer of QuickTime and MP4, whose tracks may lie in other files."""
