import CloudEvents
import Manifest
import Testing

@testable import Functions

@Suite struct FunctionSpecTests {
    private func message(_ document: JSONValue) -> String? {
        do throws(DocumentError) {
            _ = try FunctionSpec(document, path: "functions.f")
            return nil
        } catch {
            return error.description
        }
    }

    @Test func everythingIsReadAndWrittenOut() throws {
        let spec = try FunctionSpec([
            "file": "lib/checksum.py", "handler": "handle", "parameters": ["algorithm": "sha256"],
            "environment": ["B": "2", "A": 1, "D": true], "timeout": "5m", "memory": "256MB", "logs": "64kB",
            "concurrency": 8, "input": "file", "description": "sums",
        ])
        #expect(spec.runtime == .python)
        #expect(spec.environment.map { "\($0.name)=\($0.value)" } == ["B=2", "A=1", "D=true"])
        #expect(spec.limits.timeout == 300_000 && spec.limits.memory == 256_000_000 && spec.limits.logs == 64_000)
        #expect(spec.limits.concurrency == 8 && spec.staging.input == .file)
        #expect(
            spec.document.text
                == #"{"file":"lib/checksum.py","runtime":"python","handler":"handle","parameters":{"algorithm":"sha256"},"#
                + #""environment":{"B":"2","A":"1","D":"true"},"timeout":"5m","memory":"256MB","logs":"64kB","#
                + #""concurrency":8,"input":"file","description":"sums"}"#)
        #expect(try FunctionSpec(spec.document) == spec, "the written form reads back the same")
    }

    @Test func whatIsLeftOutHasItsDefault() throws {
        let spec = try FunctionSpec(["code": "def main(a): return {}", "runtime": "python"])
        #expect(
            spec.document
                == [
                    "code": "def main(a): return {}", "runtime": "python", "timeout": "1m", "memory": "256MiB",
                    "logs": "1MiB", "concurrency": 4,
                ])
        #expect(try FunctionSpec([:], filename: "x.py").source == .file("x.py"))
    }

    @Test(
        arguments: [
            (["file": "a.py", "code": "x"], "functions.f.code: a function has either a file or code, not both"),
            ([:], "functions.f.file: this is required, or the text itself as \"code\""),
            (["file": ""], "functions.f.file: this must not be empty"),
            (
                ["file": "a.zip"],
                "functions.f.runtime: this is required here (python, nodejs, swift or executable): it is clear only for a file that ends in .py, .js, .mjs, .cjs or .swift"
            ),
            (
                ["file": "a.py", "runtime": "pyhton"],
                "functions.f.runtime: \"pyhton\" is not one of python, nodejs, swift, executable, container, sequence: did you mean \"python\"?"
            ),
            (["file": "a.py", "timout": "5m"], "functions.f.timout: this key is unknown: did you mean \"timeout\"?"),
            (["file": "a.py", "timeout": "2d"], "functions.f.timeout: 2d is out of range: 1ms to 1d is allowed"),
            (
                ["file": "a.py", "memory": "1MiB"],
                "functions.f.memory: 1MiB is out of range: 16MiB to 1024GiB is allowed"
            ),
            (["file": "a.py", "logs": "1GiB"], "functions.f.logs: 1GiB is out of range: 0B to 64MiB is allowed"),
            (["file": "a.py", "concurrency": 0], "functions.f.concurrency: 0 is out of range: 1 to 1024 is allowed"),
            (
                ["file": "a.py", "input": "flie"],
                "functions.f.input: \"flie\" is not one of event, file: did you mean \"file\"?"
            ),
            (
                ["file": "a.py", "environment": ["A=B": "x"]],
                "functions.f.environment: a variable's name has letters, digits and \"_\" and does not begin with a digit"
            ),
            (
                ["file": "a.py", "environment": ["A": [1]]],
                "functions.f.environment.A: a string was expected, not an array"
            ),
            (
                ["file": "a.py", "environment": ["A": "x\u{0}y"]],
                "functions.f.environment.A: a variable cannot hold a NUL character"
            ),
            (
                ["file": "a.py", "handler": "../x.py:f"],
                "functions.f.handler: a name such as handle, or file.py:handle, was expected"
            ),
        ] as [(JSONValue, String)])
    func whatIsWrongIsSaid(_ document: JSONValue, _ expected: String) {
        #expect(message(document) == expected)
    }

    @Test func whatToStartIsFound() throws {
        func entry(_ runtime: String, _ handler: String?, _ files: [String], _ programs: Set<String> = []) -> String {
            var document: JSONObject = ["file": "x.zip", "runtime": .string(runtime)]
            document["handler"] = handler.map { .string($0) }
            do {
                let spec = try FunctionSpec(.object(document))
                let found = try FunctionEntry.find(
                    spec, in: StoredCode(digest: "", files: files, programs: programs), at: "/nowhere")
                return found.entry + (found.handler.map { ":" + $0 } ?? "")
            } catch {
                return "\(error)"
            }
        }
        #expect(entry("python", nil, ["checksum.py"]) == "checksum.py")
        #expect(entry("python", "handle", ["main.py", "other.py"]) == "main.py:handle")
        #expect(entry("python", nil, ["a.py", "__main__.py", "main.py"]) == "__main__.py")
        #expect(entry("python", nil, ["data.txt", "only.py", "lib/x.py"]) == "only.py")
        #expect(entry("python", "lib/x.py:f", ["a.py", "lib/x.py"]) == "lib/x.py:f")
        #expect(entry("python", "lib/x.py", ["a.py", "lib/x.py"]) == "lib/x.py")
        #expect(
            entry("python", "y.py:f", ["a.py", "b.py"])
                == "handler: there is no file \"y.py\" in the code; it has a.py, b.py")
        #expect(
            entry("python", nil, ["a.py", "b.py"])
                == "the archive has no __main__.py, main.py or handler.py: name the file as handler \"file.py:function\"; "
                + "it has a.py, b.py")
        #expect(entry("executable", nil, ["a", "exec", "main"], ["a", "exec", "main"]) == "exec")
        #expect(entry("executable", nil, ["a", "README"], ["a"]) == "a")
        #expect(entry("executable", "bin/a", ["bin/a", "bin/b"], ["bin/a", "bin/b"]) == "bin/a")
        #expect(
            entry("executable", "a", ["a"])
                == "handler: the file \"a\" is not executable; run chmod +x before packing it")
        #expect(entry("executable", nil, ["a"]) == "the archive has no executable file; run chmod +x before packing it")
        #expect(
            entry("executable", nil, ["a", "b"], ["a", "b"])
                == "the archive has several executable files: name one as handler; it has a, b")
    }
}
