"""Time, error, memory and bits of an ensemble, on a trajectory that is made here.

    python benchmarks/ensembles.py --only frames

    frames   processor time of a frame, with reading and sums, over that of a single call of the
             calculator for positions in memory; and that of cctbx as lunus.xtraj drives it, with
             the errors of both between and at Bragg peaks (FRIEDEL_CCTBX_PYTHON). In turns, so that
             other work on the machine slows all of them.
    bits     hashes of the results of one process, of one and two workers, after a worker was
             killed, and of a calculation that was interrupted and resumed
    memory   of the largest worker, through all frames

The trajectory is one of molecules of MODEL in a supercell in P 1 that move as rigid bodies, with
waves through the crystal, and each atom by itself; as XTC, by MDAnalysis.
"""

import hashlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
import warnings
from multiprocessing import active_children
from pathlib import Path

import numpy as np
from common import Peer, PeerError, chosen, load, parser_of, worst_shell

from friedel import ensemble
from friedel.ensemble.plan import Worker
from friedel.model.model import Model

STEPS = ("frames", "bits", "memory")
TURNS, FRAMES_A_TURN = 12, 8
WAVES, WAVE, BODY, OWN = 20, 0.08, 0.25, 0.2
"""Number of waves, and rms displacements (Å): of a wave, of molecules, of single atoms."""


def make_trajectory(folder, name, cells, n_frames):
    """Write top.pdb and traj.xtc."""
    import MDAnalysis

    warnings.simplefilter("ignore")  # of MDAnalysis, on missing names
    model = load(name)
    crystal, atoms = model.crystal, model.atoms
    symbols = np.array(atoms.symbols)[atoms.kind]
    heavy = ~np.isin(symbols, ["H", "D"])
    frac, symbols = atoms.frac[heavy], symbols[heavy].tolist()
    copies = [
        frac @ rotation.T + translation
        for rotation, translation in zip(crystal.rotations, crystal.translations / 24, strict=True)
    ]
    copies = [copy - np.floor(copy.mean(axis=0)) for copy in copies]
    shifts = np.argwhere(np.ones(cells))
    start = np.concatenate([copy + shift for shift in shifts for copy in copies])
    start = start @ crystal.orthogonalization.T
    n, n_molecules = len(start), len(copies) * len(shifts)
    edges = np.array(crystal.cell[:3]) * cells
    universe = MDAnalysis.Universe.empty(
        n,
        n_residues=n_molecules,
        atom_resindex=np.repeat(np.arange(n_molecules), len(frac)),
        trajectory=True,
    )
    names = [f"{s}{i % 100}" for i, s in enumerate(symbols)] * n_molecules
    for key, values in (
        ("name", names),
        ("element", symbols * n_molecules),
        ("resname", ["LIG"] * n_molecules),
        ("resid", np.arange(1, n_molecules + 1)),
        ("chainID", ["A"] * n),
        ("occupancies", np.ones(n)),
        ("tempfactors", np.zeros(n)),
    ):
        universe.add_TopologyAttr(key, values)
    dimensions = [*edges, *crystal.cell[3:]]
    rng = np.random.default_rng(0)
    waves = 0.15 * rng.normal(size=(WAVES, 3))
    with MDAnalysis.Writer(str(folder / "traj.xtc"), n) as writer:
        for i in range(n_frames):
            body = rng.normal(0, BODY, (n_molecules, 1, 3)).repeat(len(frac), axis=1)
            wave = np.sin(start @ waves.T + rng.uniform(0, 2 * np.pi, WAVES))
            moved = body.reshape(n, 3) + wave @ rng.normal(0, WAVE, (WAVES, 3))
            universe.atoms.positions = start + moved + rng.normal(0, OWN, (n, 3))
            universe.dimensions = dimensions
            if i == 0:
                universe.atoms.write(str(folder / "top.pdb"))
            writer.write(universe.atoms)


def digest(result):
    arrays = result.mean, result.diffuse, result.sigma_mean, result.sigma_diffuse
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()[:16]


def frames_in_turns(plan):
    """Print the processor time of frames, single calls and cctbx, and the errors."""
    worker = Worker(plan, threads=1)
    calculator = plan.parts[0].calculator.with_threads(1)
    n = min(FRAMES_A_TURN, len(plan.frames))
    frac = [plan.reader.frac(i) for i in plan.frames[:n]]
    in_memory = [calculator.atoms.replace(frac=x) for x in frac]

    def calls():
        for atoms in in_memory:
            calculator.forward(atoms)

    works = {"a call": calls, "a frame": lambda: worker.chunk(0, n)}
    peer = cctbx(plan, np.array(frac))
    if peer is not None:
        works["cctbx"] = lambda: [peer.times("go") for _ in range(n)]
    found = {name: [] for name in works}
    for _ in range(TURNS):
        for name, work in works.items():
            start = time.process_time()
            done = work()
            used = time.process_time() - start
            found[name].append((sum(t for _, t in done) if name == "cctbx" else used) / n)
    for name, times in found.items():
        ratios = [t / call for t, call in zip(times, found["a call"], strict=True)]
        print(
            f"{name}: {1e3 * statistics.median(times):.2f} ms of processor time, least "
            f"{1e3 * min(times):.2f}; {statistics.median(ratios):.3f} of a call"
        )
    if peer is not None:
        ratio = statistics.median(
            c / f for c, f in zip(found["cctbx"], found["a frame"], strict=True)
        )
        print(f"frames per processor second: {ratio:.2f} times those of cctbx")
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(len(plan.hkl), min(2000, len(plan.hkl)), replace=False))
    hkl = plan.hkl[sample]
    options = calculator.options.replace(method="direct", rate=None, blur=None, cutoff=None)
    parts = plan.lattice.box, in_memory[0], hkl, calculator.factors, options
    exact = type(calculator)(*parts).forward()
    f = {"friedel": calculator.forward(in_memory[0])[sample]}
    if peer is not None:
        peer.times("it1992")
        f["cctbx"] = peer.result()[1][sample]
        peer.__exit__()
    is_bragg = plan.lattice.is_bragg(hkl)
    for name, values in f.items():
        whole = np.linalg.norm(values - exact) / np.linalg.norm(exact)
        worst = worst_shell(plan.lattice.box, hkl, values, exact)
        between = np.linalg.norm((values - exact)[~is_bragg]) / np.linalg.norm(exact[~is_bragg])
        print(
            f"error of {name}: {whole:.1e}, worst shell {worst:.1e}, between Bragg peaks "
            f"{between:.1e}"
        )


def cctbx(plan, frac):
    python = os.environ.get("FRIEDEL_CCTBX_PYTHON")
    if python is None:
        return None
    atoms = plan.parts[0].calculator.atoms.replace(frac=frac[0])
    model = Model(plan.lattice.box, atoms)
    xyz = frac @ plan.lattice.box.orthogonalization.T
    d_min = float(plan.lattice.box.d_spacing(plan.hkl).min())
    try:
        return Peer("peer_cctbx_ensemble.py", model, d_min, python=python, hkl=plan.hkl, xyz=xyz)
    except PeerError:
        return None


def bits(plan):
    """Print hashes of the result, calculated in several ways."""
    print(f"{digest(ensemble.run_plan(plan))}  this process")
    for workers in (1, 2):
        print(f"{digest(ensemble.run_plan(plan, executor=workers))}  {workers} workers")
    print(f"{digest(with_one_killed(plan))}  2 workers, of which one was killed")
    print(f"{digest(resumed(plan))}  interrupted and resumed")


def with_one_killed(plan):
    killed = []

    def kill():
        victims = active_children()
        if victims:
            killed.append(victims[0].pid)
            os.kill(victims[0].pid, signal.SIGKILL)

    timer = threading.Timer(4.0 + plan.seconds * len(plan.frames) / 8, kill)
    timer.start()
    result = ensemble.run_plan(plan, executor=2)
    timer.cancel()
    print("killed", killed)
    return result


def resumed(plan):
    plain, done = Worker.chunk, []

    def chunk(self, first, last):
        if len(done) == len(plan.chunks) // 3:
            raise KeyboardInterrupt
        done.append(first)
        return plain(self, first, last)

    with tempfile.TemporaryDirectory() as folder:
        Worker.chunk = chunk
        try:
            ensemble.run_plan(plan, checkpoint=folder)
        except KeyboardInterrupt:
            pass
        finally:
            Worker.chunk = plain
        files = sorted(path.name for path in Path(folder).glob("node-*"))
        print("interrupted after", len(done), "chunks:", *files)
        return ensemble.run_plan(plan, checkpoint=folder)


def memory(plan):
    """Print the memory of the largest of two workers, and the time, through all frames."""
    found, stop = [], threading.Event()
    watch = threading.Thread(target=memory_of_children, args=(found, stop))
    watch.start()
    start = time.perf_counter()
    result = ensemble.run_plan(plan, executor=2)
    seconds = time.perf_counter() - start
    stop.set()
    watch.join()
    print(f"{result.n_frames} frames, two workers: {seconds:.1f} s")
    sizes = [size for size in found if size > 0]
    parts = [sizes[min(len(sizes) * i // 10, len(sizes) - 2)] for i in range(1, 11)]
    print("memory of the larger worker, MB, after tenths:", *(f"{size:.1f}" for size in parts))


def memory_of_children(found, stop):
    """Append the resident memory (MB) of the largest child, twice a second."""
    while not stop.wait(0.5):
        sizes = []
        for child in active_children():
            try:
                lines = Path(f"/proc/{child.pid}/status").read_text().splitlines()
            except OSError:
                continue
            sizes += [int(x.split()[1]) / 1024 for x in lines if x.startswith("VmRSS")]
        found.append(max(sizes, default=0.0))


def main():
    parser = parser_of(__doc__, STEPS)
    parser.add_argument("--model", default="rnase.pdb")
    parser.add_argument("--cells", default="2,1,1", help="crystal cells in the box")
    parser.add_argument("--dmin", type=float, default=2.5)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="keeps the trajectory, or has one")
    given, steps = chosen(parser, STEPS)
    cells = tuple(int(n) for n in given.cells.split(","))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        if not (folder / "traj.xtc").exists():
            make_trajectory(folder, given.model, cells, given.frames)
        plan = ensemble.prepare(
            folder / "top.pdb",
            folder / "traj.xtc",
            d_min=given.dmin,
            supercell=cells,
            threads=1,
            frames=slice(0, given.frames),
        )
        print(plan.describe(), *plan.notes, sep="\n", flush=True)
        for step in steps:
            {"frames": frames_in_turns, "bits": bits, "memory": memory}[step](plan)


if __name__ == "__main__":
    sys.exit(main())
