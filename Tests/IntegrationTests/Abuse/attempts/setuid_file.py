def main(args):
    import subprocess
    here = os.path.dirname(os.path.abspath(__file__))
    modes = {name: oct(os.stat(os.path.join(here, name)).st_mode) for name in os.listdir(here)}
    def run(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
        except OSError as error:
            return name_of(error.errno)
    return {"modes": modes, "id": run("/usr/bin/id", "-u"), "su": run("/bin/su", "-c", "/usr/bin/id -u"),
            "uid": os.getuid()}
