internal import Glibc

/// What an errno means for staging.
struct SystemReason {
    let code: StagingError.Code
    let text: String

    init(_ number: Int32) {
        let text = String(cString: strerror(number))
        switch number {
        case ENOENT: (code, self.text) = (.missing, "there is no such file")
        case ENOSPC, EDQUOT: (code, self.text) = (.diskFull, "the disk is full")
        case EACCES, EPERM: (code, self.text) = (.denied, "the server's user may not do that")
        case EROFS: (code, self.text) = (.denied, "the file system is read-only")
        // openat2(2): a link where none may be, or a way out of the folder.
        case ELOOP, EXDEV: (code, self.text) = (.notRegular, "the path leads over a symbolic link or out of the mount")
        case ENOTDIR: (code, self.text) = (.missing, "a part of the path is no folder")
        case ENAMETOOLONG: (code, self.text) = (.place, "a name is too long")
        case EFBIG: (code, self.text) = (.tooLarge, "the file is larger than the file system takes")
        case EEXIST: (code, self.text) = (.exists, "there is one already")
        default: (code, self.text) = (.ioFailure, text)
        }
    }
}
