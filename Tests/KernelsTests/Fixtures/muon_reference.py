#!/usr/bin/env python3
"""Writes muon.json to this folder: three steps of torch.optim.Muon (PyTorch 2.15) on a wide, a tall and a square matrix.

Runs in float32: the cast to bfloat16 in the Newton-Schulz iteration is disabled, so that results can be compared within 1e-5.
"""
import json, pathlib
import torch
torch.bfloat16 = torch.float32
torch.manual_seed(7)
cases = []
for rows, columns in [(5, 12), (12, 5), (8, 8)]:
    parameter = torch.nn.Parameter(torch.randn(rows, columns))
    optimizer = torch.optim.Muon([parameter], lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw")
    case = {"rows": rows, "columns": columns, "before": parameter.detach().flatten().tolist(), "gradients": [], "after": []}
    for _ in range(3):
        parameter.grad = torch.randn(rows, columns) * 0.3
        case["gradients"].append(parameter.grad.flatten().tolist())
        optimizer.step()
        case["after"].append(parameter.detach().flatten().tolist())
    cases.append(case)
path = pathlib.Path(__file__).with_name("muon.json")
path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
