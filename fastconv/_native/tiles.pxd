# Launching register tiles side by side: what the dense drivers share.
from fastconv._native.levels cimport fc_tile, fc_tile_function


cdef inline void launch(fc_tile_function function, fc_tile *tile) noexcept nogil:
    """Run `tile.count` tiles; the next ones go on fetching where these stopped."""
    function(tile)
    tile.next += tile.count * tile.next_step * tile.rows * tile.taps * tile.run


cdef inline void run_row(fc_tile *tile, fc_tile_function *functions, ptrdiff_t count,
                         ptrdiff_t pixels, const char *x, char *out,
                         const char *residual) noexcept nogil:
    """Tiles of one size side by side."""
    cdef ptrdiff_t half = (pixels + 1) // 2
    tile.count = count
    tile.x[0], tile.x[1] = x, x + half * tile.x_pixel
    tile.out[0], tile.out[1] = out, out + half * tile.out_pixel
    tile.residual[0] = tile.residual[1] = NULL
    if residual != NULL:
        tile.residual[0] = residual
        tile.residual[1] = residual + half * tile.residual_pixel
    launch(functions[pixels - 1], tile)


# A row of pixels in tiles of sizes as equal as can be: some of `size` + 1, then others of `size`.
cdef struct Split:
    ptrdiff_t size, larger, smaller


cdef inline Split split_pixels(ptrdiff_t pixels, ptrdiff_t most) noexcept nogil:
    """Split a row into as few tiles as can be, of `most` pixels at most."""
    cdef ptrdiff_t tiles = (pixels + most - 1) // most
    cdef ptrdiff_t size = pixels // tiles, larger = pixels % tiles
    return Split(size, larger, tiles - larger)


cdef inline void run_pixels(fc_tile *tile, fc_tile_function *functions, const Split *split,
                            const char *x, char *out, const char *residual) noexcept nogil:
    """Tiles of a row."""
    cdef ptrdiff_t done = split.larger * (split.size + 1)
    if split.larger:
        run_row(tile, functions, split.larger, split.size + 1, x, out, residual)
    if residual != NULL:
        residual += done * tile.residual_pixel
    run_row(tile, functions, split.smaller, split.size, x + done * tile.x_pixel,
            out + done * tile.out_pixel, residual)
