#pragma once

/* Lets go of the pages of program code and constants that are in this process's memory now; those that are still used come
   back from the system's cache when they are touched. What starting alone needs (most of a program's first pages) no
   longer counts as resident then. Only what is never written is let go of: nothing changes but the count. */
void weir_forget_program_pages(void);
