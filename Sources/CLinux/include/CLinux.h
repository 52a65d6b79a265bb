#pragma once

<<<<<<< HEAD
#include "inotify.h"
=======
#include "checksums.h"
#include "files.h"
>>>>>>> d835f143530df7043221aad3c2b89890f23cf7c0
