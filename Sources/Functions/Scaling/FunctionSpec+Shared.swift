import Glibc
import Manifest

extension FunctionSpec {
    /// Workers that functions share: only for what is nothing but a little code of its own.
    func checkShared(_ reader: borrowing DocumentReader) throws(DocumentError) {
        let scaling = limits.scaling
        guard scaling.isShared else { return }
        func refuse(_ why: String) -> DocumentError {
            DocumentError(path: reader.path(of: "scale.shared"), message: why)
        }
        guard runtime == .python else { throw refuse("only functions in python share workers with others") }
        guard staging == FunctionStaging(), network == .none, requirements == nil, environment.isEmpty else {
            throw refuse(
                "a function with files, outputs, mounts, a network, requirements or an environment has workers of its own"
            )
        }
        guard scaling.concurrentEvents == 1, scaling.minimum == 0, scaling.idle == nil, scaling.runs == nil,
            scaling.runsPerKey == nil, scaling.burst == FunctionScaling.defaultBurst
        else {
            throw refuse(
                "workers that are shared have no \"min\", \"idle\", \"burst\", \"limit\" or \"concurrentEvents\" of one function"
            )
        }
    }

    /// The code of such a function must be one file of moderate length.
    func checkShared(_ code: StoredCode, at folder: String) throws(FunctionError) {
        guard limits.scaling.isShared else { return }
        guard code.files.count == 1, let file = code.files.first else {
            throw FunctionError(
                .invalidSpecification,
                "scale.shared: the code is \(code.files.count) files, and only a function of one file shares workers")
        }
        var status = stat()
        guard stat(folder + "/" + file, &status) == 0, status.st_size > FunctionScaling.sharedCodeLimit else { return }
        throw FunctionError(
            .invalidSpecification,
            "scale.shared: the code has \(status.st_size) bytes, and functions share workers up to \(FunctionScaling.sharedCodeLimit)"
        )
    }
}
